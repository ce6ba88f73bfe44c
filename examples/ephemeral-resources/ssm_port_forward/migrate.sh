#!/bin/sh
# Stands for a client of your own, such as:
#   psql --dbname=app --username=app --file=schema.sql
: "${PGHOST:?}" "${PGPORT:?}"
echo "The database is at ${PGHOST}:${PGPORT} for now."
