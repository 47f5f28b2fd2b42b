# Completion of ecbak for fish. Commands and options come from the program's own --help, so that this file never lags.

# The help of the command that stands on the line so far.
function __ecbak_help
    set -l words (commandline -opc)
    set -l line $words[1]
    set -l help (NO_COLOR=1 $line --help 2>/dev/null)
    for word in $words[2..-1]
        string match -q 'Commands*' $help; and not string match -q -- '-*' $word; or break
        test $word = help; and continue
        set -a line $word
        set help (NO_COLOR=1 $line --help 2>/dev/null)
    end
    string join -- \n $help
end

function __ecbak_at_command
    __ecbak_help | string match -q 'Commands*'
end

function __ecbak_commands
    __ecbak_help | sed -n '/^Commands/,/^$/s/^  \([a-z][a-z-]*\)  *\(.*\)/\1\t\2/p'
    test (count (commandline -opc)) -gt 1; or printf 'help\texplain a command\n'
end

function __ecbak_options
    __ecbak_help | sed -n -e 's/^  \(-., \|    \)\(--[a-z][a-z-]*\)\( [A-Z][A-Z+=]*\)\{0,1\}\(  *\(.*\)\)\{0,1\}$/\2\t\5/p' \
        -e 's/^Usage: .*\[\(--[a-z][a-z-]*\).*/\1/p'
end

complete -c ecbak -n __ecbak_at_command -f -a '(__ecbak_commands)'
complete -c ecbak -n 'not __ecbak_at_command' -a '(__ecbak_options)'
