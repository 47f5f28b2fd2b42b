# Completion of ecbak for bash. Commands and options come from the program's own --help, so that this file never lags.

_ecbak_help() { NO_COLOR=1 "$@" --help 2>/dev/null; }

# The names in the section "Commands" of a help text.
_ecbak_commands() { sed -n '/^Commands/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p'; }

# Each option, as --name and as -x.
_ecbak_options() {
    sed -n -e h -e 's/^  \(-.\), --.*/\1/p' -e g -e 's/^  \(-., \|    \)\(--[a-z][a-z-]*\).*/\2/p' -e g \
        -e 's/^Usage: .*\[\(--[a-z][a-z-]*\).*/\1/p'
}

# What follows option $1: the word in capitals behind its name.
_ecbak_argument() {
    awk -v option="$1" '/^  (-., |    )--/ && ($1 == option || $1 == option "," || $2 == option) {
        word = $1 ~ /,$/ ? $3 : $2
        if (word ~ /^[A-Z][A-Z+=]*$/) print word
    }'
}

_ecbak() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} help commands at
    local line=("${COMP_WORDS[0]/#\~/$HOME}")
    COMPREPLY=()
    help=$(_ecbak_help "${line[@]}")
    for ((at = 1; at < COMP_CWORD; at++)); do
        commands=$(_ecbak_commands <<<"$help")
        [[ -n $commands && ${COMP_WORDS[at]} != -* ]] || break
        [[ ${COMP_WORDS[at]} == help ]] && continue
        line+=("${COMP_WORDS[at]}")
        help=$(_ecbak_help "${line[@]}")
    done
    commands=$(_ecbak_commands <<<"$help")
    if [[ -n $commands && $word != -* ]]; then
        ((${#line[@]} > 1)) || commands+=" help"
        mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$word")
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_ecbak_options <<<"$help")" -- "$word")
    elif [[ $before == --profile && ${line[1]} == store ]]; then
        mapfile -t COMPREPLY < <(cd /etc/ecbak/store.d 2>/dev/null && compgen -G "$word*.conf" | sed 's/\.conf$//')
    elif [[ $before != -* || $(_ecbak_argument "$before" <<<"$help") =~ ^(|FILE|DIR|PATH)$ ]]; then
        compopt -o default 2>/dev/null # files
    fi
}
complete -F _ecbak ecbak
