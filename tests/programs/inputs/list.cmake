# cmake: a long list, sorted and hashed.
set(l)
foreach(i RANGE 4000)
	list(APPEND l "item${i}")
endforeach()
list(SORT l)
list(LENGTH l n)
string(SHA256 h "${l}")
message(STATUS "${n} ${h}")
