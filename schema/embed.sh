#!/bin/sh
# Turns the numbered SQL files of a folder into a C table, in order:
# `static const char *const schema[]`, one text a file.
set -eu
echo '/* Made by schema/embed.sh. */'
echo 'static const char *const schema[] = {'
for file in "$1"/[0-9]*.sql; do
	[ -e "$file" ] || continue
	sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/	"/' -e 's/$/\\n"/' "$file"
	echo '	,'
done
echo '};'
