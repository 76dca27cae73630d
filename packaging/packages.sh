# Packages of Linux and Windows: read by scripts/release. Two of each kind: `ssmport`, and `ssmport-plugin`,
# which has the drop-in in the place of the official package.

MAINTAINER=${SSMPORT_RELEASE_MAINTAINER:-"The ssmport maintainers <ssmport@example.com>"}

# make_trees TARGET ZSH: the files of both packages as they are installed, below $TREES. Distributions differ in
# where zsh looks.
make_trees() {
    local target=$1 zsh=$2 programs
    programs=$(programs_of "$target")
    TREES=$WORK/trees
    rm -rf "$TREES"
    local usr=$TREES/ssmport/usr page
    install -D "$programs/ssmport" "$usr/bin/ssmport"
    for page in "$DOCUMENTS"/man/*/*; do
        install -D -m 644 "$page" "$usr/share${page#"$DOCUMENTS"}"
        gzip -9n "$usr/share${page#"$DOCUMENTS"}"
    done
    local from=$DOCUMENTS/completions/ssmport
    install -D -m 644 "$from.bash" "$usr/share/bash-completion/completions/ssmport"
    install -D -m 644 "$from.fish" "$usr/share/fish/vendor_completions.d/ssmport.fish"
    install -D -m 644 "$from.zsh" "$usr/share/zsh/$zsh/_ssmport"
    install -D "$programs/session-manager-plugin" "$TREES/ssmport-plugin/usr/bin/session-manager-plugin"
}

# make_deb TARGET
make_deb() {
    local architecture=${1#gnu-} package tree doc
    architecture=${architecture/x86_64/amd64}
    make_trees "$1" vendor-completions
    for package in ssmport ssmport-plugin; do
        tree=$TREES/$package
        doc=$tree/usr/share/doc/$package
        mkdir -p "$doc" "$tree/DEBIAN"
        cp packaging/debian/copyright "$doc"
        filled packaging/debian/changelog | sed "s/^ssmport /$package /" | gzip -9n >"$doc/changelog.gz"
        chmod 644 "$doc"/*
        filled packaging/debian/$package.control |
            sed -e "s/@ARCHITECTURE@/$architecture/" -e "s/@SIZE@/$(du -k -s "$tree/usr" | cut -f1)/" \
                >"$tree/DEBIAN/control"
        (cd "$tree" && find usr -type f -printf '%P\0' | sort -z | sed -z 's|^|usr/|' | xargs -0 md5sum) \
            >"$tree/DEBIAN/md5sums"
        find "$tree" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
        # Older systems read no other compression.
        dpkg-deb --root-owner-group -Zxz --build "$tree" "$DIST/${package}_${VERSION}_$architecture.deb" >/dev/null
    done
}

# make_rpm TARGET
make_rpm() {
    local architecture=${1#gnu-}
    architecture=${architecture/arm64/aarch64}
    make_trees "$1" site-functions
    filled packaging/rpm/ssmport.spec >"$WORK/ssmport.spec"
    find "$TREES" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
    rpmbuild -bb --quiet --target "$architecture-linux" \
        --define "_topdir $PWD/$WORK/rpm" --define "_rpmdir $PWD/$DIST" --define "trees $PWD/$TREES" \
        --define "source $PWD" \
        --define "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm" \
        --define "_buildhost localhost" --define "use_source_date_epoch_as_buildtime 1" \
        --define "clamp_mtime_to_source_date_epoch 1" --define "source_date_epoch_from_changelog 0" \
        "$WORK/ssmport.spec"
}

# make_msi TARGET: what is in the zip, installed and on the PATH. wixl knows no variables of the environment, and
# writes the time: it is given the commit's.
make_msi() {
    local name=ssmport-$VERSION-$1 insert action
    filled packaging/windows/ssmport.wxs >"$WORK/ssmport.wxs"
    rm -f "$DIST/$name.msi"
    at_commit wixl --arch x64 -D "Files=$WORK/$name" -o "$DIST/$name.msi" "$WORK/ssmport.wxs"
    at_commit msibuild "$DIST/$name.msi" -s "ssmport $VERSION" "The ssmport maintainers" "x64;1033" \
        "{$(identifier package)}"
    at_commit msibuild "$DIST/$name.msi" -i packaging/windows/Environment.idt
    insert="INSERT INTO \`InstallExecuteSequence\` (\`Action\`, \`Sequence\`) VALUES"
    for action in "'RemoveEnvironmentStrings', 3300" "'WriteEnvironmentStrings', 5200"; do
        at_commit msibuild "$DIST/$name.msi" -q "$insert ($action)"
    done
}

at_commit() {
    faketime -f "$(date -d "@$SOURCE_DATE_EPOCH" "+%Y-%m-%d %H:%M:%S")" "$@"
}

# identifier NAME: one that this version has and no other.
identifier() {
    python3 -c 'import sys, uuid; print(str(uuid.uuid5(uuid.NAMESPACE_DNS, " ".join(sys.argv[1:]))).upper())' \
        ssmport "$VERSION" "$1"
}

# filled FILE: with this release in the place of its placeholders.
filled() {
    local in_words="%a, %d %b %Y %H:%M:%S +0000" in_spec="%a %b %d %Y"
    sed -e "s/@VERSION@/$VERSION/g" -e "s|@ADDRESS@|$ADDRESS|g" -e "s/@MAINTAINER@/$MAINTAINER/g" \
        -e "s/@PRODUCT@/$(identifier product)/g" -e "s/@DATE@/$(date -d "@$SOURCE_DATE_EPOCH" "+$in_words")/g" \
        -e "s/@DAY@/$(date -d "@$SOURCE_DATE_EPOCH" "+%Y-%m-%d")/g" \
        -e "s/@RPM_DAY@/$(date -d "@$SOURCE_DATE_EPOCH" "+$in_spec")/g" "$1"
}
