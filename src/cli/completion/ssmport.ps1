# Completions of ssmport for PowerShell, which ask ssmport itself.
Register-ArgumentCompleter -Native -CommandName 'ssmport' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $length = $cursorPosition - $commandAst.Extent.StartOffset
    $before = $env:COMPLETE, $env:_SSMPORT_LINE
    try {
        # What was typed is data: it is handed over where no quoting can go wrong.
        $env:COMPLETE = 'powershell'
        $env:_SSMPORT_LINE = $commandAst.Extent.Text.PadRight($length).Substring(0, $length)
        $program = Get-Command -Name 'ssmport' -CommandType Application -TotalCount 1
        $found = & $program '--' 2>$null
    } finally {
        $env:COMPLETE, $env:_SSMPORT_LINE = $before
    }
    foreach ($line in $found) {
        $value, $about = $line -split "`t", 2
        if (-not $about) { $about = $value }
        [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $about)
    }
}
