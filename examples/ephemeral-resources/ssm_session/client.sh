#!/bin/sh
# Stands in for a client of your own, which would open the WebSocket at
# $STREAM_URL and send $TOKEN_VALUE in its first message.
set -eu

: "${STREAM_URL:?is not set}" "${TOKEN_VALUE:?is not set}"
