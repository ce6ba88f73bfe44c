#!/bin/sh
# Replace this with your own client. It opens the WebSocket at $STREAM_URL and
# sends $TOKEN_VALUE in its first message.
set -eu

: "${STREAM_URL:?is not set}" "${TOKEN_VALUE:?is not set}"
