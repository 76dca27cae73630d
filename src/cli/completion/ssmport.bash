# Completions of ssmport for bash, which ask ssmport itself.
_ssmport() {
    local reply
    COMPREPLY=()
    while IFS= read -r reply; do
        COMPREPLY+=("$reply")
    done < <(COMPLETE=bash command ssmport -- "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)
    # A folder, or an option whose value follows.
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -o bashdefault -o nosort -F _ssmport ssmport 2>/dev/null ||
    complete -o bashdefault -F _ssmport ssmport
