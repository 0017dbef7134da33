#!/bin/sh
# s47: the programs of the system start and say the same as on libc's malloc
# Short commands that read nothing and change nothing; with SECONDS=60 all of them, else the first 60 that are here.
set -eu
list='ls -d /|cat /etc/hostname|echo a|date -u -d @0|sort /etc/passwd|uniq /etc/passwd|wc /etc/passwd|head /etc/passwd|tail /etc/passwd
grep root /etc/passwd|sed s/o/0/g /etc/passwd|awk -F: {print$1} /etc/passwd|tr --version|cut -d: -f1 /etc/passwd|find /etc -maxdepth 1 -name passwd
tar cf - -C /etc passwd --mtime=@0|gzip -cn /etc/passwd|bzip2 -c /etc/passwd|xz -c /etc/passwd|zstd -c /etc/passwd|md5sum /etc/passwd
sha256sum /etc/passwd|base64 /etc/passwd|od -c /etc/passwd|xxd /etc/passwd|seq 1 2000|factor 1234567890123456789|expr 1 + 2|bc --version
bash -c for((i=0;i<2000;i++));do:;done;echo$i|dash -c echo\ a|perl -e print(join(",",map{$_*2}1..2000))|python3 -c print(sum(range(100000)))
git --version|gcc --version|g++ --version|cc1 --version|as --version|ld --version|make --version|gdb --version|objdump --version|readelf -h /bin/ls
nm -D /bin/ls|strings -n 20 /bin/ls|strace --version|valgrind --version|clang-14 --version|clang --version|cmake --version|ninja --version
node -e console.log([1,2,3].map(x=>x*x))|java -version|ruby -e puts(1)|php --version|lua -v|tclsh --version|guile --version|sqlite3 --version
redis-server --version|nginx -v|postgres --version|psql --version|curl --version|wget --version|openssl version|ssh -V|rsync --version
vim --version|nano --version|emacs --version|less --version|man --version|file /etc/passwd|diff /etc/passwd /etc/group
patch --version|cmp /etc/passwd /etc/passwd|comm --version|join --version|paste /etc/passwd|fold /etc/passwd|fmt /etc/passwd|nl /etc/passwd
pr --version|tac /etc/passwd|rev /etc/passwd|shuf --random-source=/etc/passwd /etc/passwd|split --version|csplit --version|truncate --version
env -i|printenv HOME|id|whoami|groups|hostname|uname -a|arch|nproc|stat -c %n /etc/passwd|readlink -f /bin/sh|realpath /bin/sh|basename /a/b|dirname /a/b
df --version|du --version|mount --version|ps --version|top -v|free --version|uptime --version|pgrep --version|kill --version|lsof -v|lscpu --version
lsblk --version|ip -V|ss -V|dpkg -l dpkg|dpkg --version|apt-cache --version|apt-get --version|apt-config dump|gpg --version|gpgv --version
locale|localedef --version|iconv -l|getent passwd root|ldd --version|ldconfig --version|getconf -a|msgfmt --version|m4 --version|bison --version|flex --version
autoconf --version|automake --version|libtool --version|pkg-config --version|ctags --version|cscope -V|indent --version|doxygen --version|dot -V
convert --version|ffmpeg -version|xmllint --version|xsltproc --version|jq --version|dc --version|gawk --version|mawk -W version|busybox echo hello|systemctl --version|journalctl --version
udevadm --version|dbus-daemon --version|busctl --version|setpriv --version|unshare --version|nsenter --version|prlimit --version|taskset --version|chrt --version
rustc --version|cargo --version|go version|ghc --version|ocaml -version|erl -version|elixir --version|swift --version|dotnet --version|R --version|octave --version|chromium --version
qemu-x86_64-static --version|qemu-aarch64-static --version|aarch64-linux-gnu-gcc --version|debootstrap --version|pip3 --version|prove --version|perldoc -V|xargs --version|tput -V|infocmp -V|script --version
perf --version|ltrace --version|tcpdump --version|socat -V|nc -h|tmux -V|screen -v|zsh --version|fish --version|ksh --version|mksh --version|tcsh --version'
most=60
[ "${SECONDS:-0}" -lt 60 ] || most=100000
ran=0
failed=
IFS='|
'
for command in $list; do
	program=${command%% *}
	command -v "$program" >/dev/null 2>&1 || continue
	[ "$ran" -lt "$most" ] || break
	IFS=' '
	# shellcheck disable=SC2086
	set -f -- $command
	set -f
	a=0 b=0
	timeout 20 "$@" >"$TMP/a" 2>&1 </dev/null || a=$?
	timeout 20 env LD_PRELOAD="${SO#none}" "$@" >"$TMP/b" 2>&1 </dev/null || b=$?
	IFS='|
'
	# What differs by itself (the environment, the moment) is made equal.
	sed '/LD_PRELOAD/d' "$TMP/b" >"$TMP/c"
	[ "$a" = "$b" ] && cmp -s "$TMP/a" "$TMP/c" || failed="$failed $program ($a, $b)"
	ran=$((ran + 1))
done
echo "$ran programs"
[ -z "$failed" ] || { echo "another result:$failed" >&2; exit 1; }
[ "$ran" -ge 30 ]
