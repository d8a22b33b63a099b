#!/bin/bash
# The far end of remote_call (hosts.sh): one command line in, what it prints and its exit status out.
IFS= read -r -d '' line || true
eval "$line" 2>&1 </dev/null
echo "remote-exit: $?"
