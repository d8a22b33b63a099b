#!/bin/bash
# The smallest script of a guest: it runs, so the guest boots.
uname -r
