#compdef ecbak
# Completion of ecbak for zsh. Commands and options come from the program's own --help, so that this file never lags.

_ecbak_help() { NO_COLOR=1 "$@" --help 2>/dev/null }

# "name:what it does" for each command of a help text.
_ecbak_commands() { sed -n '/^Commands/,/^$/s/^  \([a-z][a-z-]*\)  *\(.*\)/\1:\2/p' }

# "--name:what it does" for each option.
_ecbak_options() {
    sed -n -e 's/^  \(-., \|    \)\(--[a-z][a-z-]*\)\( [A-Z][A-Z+=]*\)\{0,1\}\(  *\(.*\)\)\{0,1\}$/\2:\5/p' \
        -e 's/^Usage: .*\[\(--[a-z][a-z-]*\).*/\1:/p'
}

_ecbak() {
    local help
    local -a line commands options
    local -i at
    line=("${words[1]/#\~/$HOME}")
    help=$(_ecbak_help $line)
    for ((at = 2; at < CURRENT; at++)); do
        commands=("${(@f)$(_ecbak_commands <<<$help)}")
        [[ -n $commands[1] && $words[at] != -* ]] || break
        [[ $words[at] == help ]] && continue
        line+=($words[at])
        help=$(_ecbak_help $line)
    done
    commands=("${(@f)$(_ecbak_commands <<<$help)}")
    if [[ -n $commands[1] && $words[CURRENT] != -* ]]; then
        ((${#line} > 1)) || commands+=('help:explain a command')
        _describe -t commands command commands
    elif [[ $words[CURRENT] == -* ]]; then
        options=("${(@f)$(_ecbak_options <<<$help)}")
        _describe -t options option options
    elif [[ $words[CURRENT-1] == --profile && $line[2] == store ]]; then
        _files -W /etc/ecbak/store.d -g '*.conf(:r)'
    else
        _files
    fi
}

_ecbak "$@"
