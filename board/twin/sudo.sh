#!/bin/sh
# Stands in for a board's sudo: asks for the password as sudo does, then runs the command as the
# twin's only user. Takes the options that scripts use; the environment is kept.
prompt='[sudo] password: ' stdin= never=
while [ $# -gt 0 ]; do
    case $1 in
        -S) stdin=yes; shift ;;
        -n) never=yes; shift ;;
        -p) prompt=$2; shift 2 ;;
        -E | -H) shift ;;
        --) shift; break ;;
        -*) echo "sudo: option $1 is not emulated on the twin" >&2; exit 1 ;;
        *) break ;;
    esac
done
if [ -n "$never" ]; then echo 'sudo: a password is required' >&2; exit 1; fi
if [ -z "$stdin" ] && ! [ -t 0 ]; then
    echo 'sudo: a terminal is required to read the password; use the -S option' >&2
    exit 1
fi
printf %s "$prompt" >&2
IFS= read -r password
if [ -e @refused@ ]; then
    echo "$LOGNAME is not in the sudoers file." >&2
    exit 1
fi
if [ "$password" != @password@ ]; then
    echo 'sudo: 1 incorrect password attempt' >&2
    exit 1
fi
exec env -- "$@"
