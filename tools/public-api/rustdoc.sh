#!/bin/sh
# rustdoc that writes JSON on the stable toolchain. Only rustdoc sees the variable: set for all of cargo, it would make
# build scripts choose other code and every dependency compile again.
RUSTC_BOOTSTRAP=1 exec rustdoc "$@"
