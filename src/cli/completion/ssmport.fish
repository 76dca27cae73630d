# Completions of ssmport for fish, which ask ssmport itself.
complete --command ssmport --no-files --keep-order --arguments '(COMPLETE=fish command ssmport -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token --cut-at-cursor) 2>/dev/null)'
