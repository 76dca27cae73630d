# Archives: read by scripts/release. What is in them is sorted, and of the commit's time.

# Manual pages and completions, by the program that runs here.
make_documents() {
    heading "manual pages and completions, by ${TARGETS[0]}"
    build "${TARGETS[0]}"
    local program shell
    program=$(programs_of "${TARGETS[0]}")/ssmport
    DOCUMENTS=$WORK/documents
    mkdir -p "$DOCUMENTS/completions"
    "$program" man "$DOCUMENTS/man"
    for shell in bash zsh fish elvish powershell; do
        "$program" completions "$shell" >"$DOCUMENTS/completions/ssmport.$shell"
    done
}

# make_archive TARGET: both programs with what belongs to them, as .tar.gz, for Windows as .zip.
make_archive() {
    local target=$1 name=ssmport-$VERSION-$1 programs suffix=
    programs=$(programs_of "$target")
    [[ $target != windows-* ]] || suffix=.exe
    mkdir -p "$WORK/$name"
    cp "$programs/ssmport$suffix" "$programs/session-manager-plugin$suffix" "$WORK/$name"
    cp README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE "$WORK/$name"
    cp -r "$DOCUMENTS/completions" "$WORK/$name"
    if [[ $target == windows-* ]]; then
        zipped "$name"
    else
        cp -r "$DOCUMENTS/man" "$WORK/$name"
        tarred "$name"
    fi
}

tarred() {
    tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
        -C "$WORK" -cf - "$1" | gzip -9n >"$DIST/$1.tar.gz"
}

zipped() {
    find "$WORK/$1" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
    rm -f "$DIST/$1.zip"
    (cd "$WORK" && find "$1" -type f | sort | zip -9 -q -X -@ "$OLDPWD/$DIST/$1.zip")
}

# What distributions that compile begin with.
make_source() {
    git archive --format=tar --prefix="ssmport-$VERSION/" HEAD | gzip -9n >"$DIST/ssmport-$VERSION.tar.gz"
}

# Which crates are in the programs, of all targets.
make_bill() {
    local name=ssmport-$VERSION.cdx
    PATH="$PWD/$CYCLONEDX_DIR/bin:$PATH" cargo cyclonedx -q --format json --target all --override-filename "$name"
    sed -i "s|path+file://$PWD|path+file:///ssmport|g" "$name.json"
    mv "$name.json" "$DIST"
}
