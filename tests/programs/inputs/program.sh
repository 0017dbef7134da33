# bash: an associative array, long strings, recursion, subshells and pipes. Reads the file `text`.
declare -A count
words=() i=0
while read -r line; do
	words+=("$line")
	count[${line:0:2}]=$((${count[${line:0:2}]:-0} + 1))
	((++i >= 4000)) && break
done < text
for k in $(printf '%s\n' "${!count[@]}" | sort); do
	echo "$k ${count[$k]}"
done
s=
for ((i = 0; i < 3000; i++)); do
	s+="${words[i]//a/AA}"
done
echo "${#s}"
f() { (($1 > 0)) && f $(($1 - 1)); }
f 500
for i in {1..60}; do
	x=$(echo sub $i | tr a-z A-Z)
done
echo "$x"
