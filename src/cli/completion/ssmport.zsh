#compdef ssmport
# Completions of ssmport for zsh, which ask ssmport itself.
_ssmport() {
    # The shell knows home directories better.
    [[ $PREFIX == '~'* ]] && _files && return
    local line
    local -a plain open
    for line in "${(@f)$(COMPLETE=zsh command ssmport -- \
        "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
        case $line in
            '') ;;
            *[=/]) open+=("$line") ;;
            *) plain+=("$line") ;;
        esac
    done
    [[ -n $plain ]] && _describe -V ssmport plain
    # A folder, or an option whose value follows.
    [[ -n $open ]] && _describe -V ssmport open -S ''
}
if [[ $funcstack[1] == _ssmport ]]; then
    _ssmport "$@"
else
    compdef _ssmport ssmport
fi
