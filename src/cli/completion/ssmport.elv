# Completions of ssmport for Elvish, which ask ssmport itself.
set edit:completion:arg-completer[ssmport] = {|@words|
    env COMPLETE=elvish ssmport -- $@words | from-lines
}
