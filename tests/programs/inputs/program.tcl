# tcl: an array of lists, a dictionary of dictionaries, a regular expression over a long string.
set seed 3
array set a {}
for {set i 0} {$i < 60000} {incr i} {
	set seed [expr {($seed * 1103515245 + 12345) % 2147483648}]
	lappend a([expr {$seed % 3000}]) $seed
}
set sum 0
foreach k [lsort -integer [array names a]] {
	set sum [expr {($sum * 31 + [llength $a($k)] + [lindex [lsort $a($k)] 0]) % 1000000007}]
}
puts "[array size a] $sum"
set d [dict create]
for {set i 0} {$i < 20000} {incr i} { dict set d [expr {$i % 50}] $i $i }
puts [dict size [dict get $d 7]]
puts [string length [regsub -all {(\d)(\d)} [array get a] {\2\1}]]
