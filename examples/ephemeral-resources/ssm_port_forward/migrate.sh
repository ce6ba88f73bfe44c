#!/bin/sh
# Replace this with your own client, for example:
#   psql --dbname=app --username=app --file=schema.sql
: "${PGHOST:?}" "${PGPORT:?}"
echo "The database is at ${PGHOST}:${PGPORT} for now."
