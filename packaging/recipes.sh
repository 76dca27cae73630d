# Recipes of package managers that fetch: read by scripts/release. Each is made when all files that it has digests
# of are in dist/.

make_recipes() {
    recipe homebrew/ssmport.rb
    recipe scoop/ssmport.json
    local file
    for file in version installer locale; do
        recipe "winget/ssmport.$file.yaml"
    done
    recipe alpine/APKBUILD
}

# recipe FILE: with `@SHA256 NAME@` and `@SHA512 NAME@` replaced by the digests of dist/NAME.
recipe() {
    local text sum name
    text=$(filled "packaging/$1")
    while [[ $text =~ @(SHA256|SHA512)\ ([^@]+)@ ]]; do
        sum=${BASH_REMATCH[1]} name=${BASH_REMATCH[2]}
        if [[ ! -e $DIST/$name ]]; then
            echo "no $1: there is no $DIST/$name"
            return
        fi
        text=${text//"@$sum $name@"/"$("${sum,,}sum" "$DIST/$name" | cut -d' ' -f1)"}
    done
    mkdir -p "$DIST/$(dirname "$1")"
    printf '%s\n' "$text" >"$DIST/$1"
}
