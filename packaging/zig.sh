# zig, whose C compiler and linker are for every system, and cargo's way to use them: from PyPI, once.
ZIG_VERSION=0.15.2
ZIGBUILD_VERSION=0.24.1
ZIG_DIR=target/tools/zig

install_zig() {
    local versions="$ZIG_VERSION $ZIGBUILD_VERSION"
    if [[ $(cat "$ZIG_DIR/complete" 2>/dev/null) == "$versions" ]]; then
        return
    fi
    rm -rf "$ZIG_DIR"
    { /usr/bin/python3 -m venv "$ZIG_DIR" || python3 -m venv "$ZIG_DIR"; } &&
        "$ZIG_DIR/bin/python" -m pip install -q "ziglang==$ZIG_VERSION" "cargo-zigbuild==$ZIGBUILD_VERSION" &&
        echo "$versions" >"$ZIG_DIR/complete"
}

# with_zig COMMAND...: with cargo's zigbuild on the PATH.
with_zig() {
    PATH="$PWD/$ZIG_DIR/bin:$PATH" "$@"
}
