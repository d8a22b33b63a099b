#!/bin/bash
# What ./x demo shows still works.
# shellcheck source=lab/demo.sh
. /lab/demo.sh
