-- lua: a table of half a hundred thousand strings, a sort, coroutines.
local t, seed = {}, 1
for i = 1, 300000 do
	seed = (seed * 1103515245 + 12345) % 2147483648
	t["k" .. seed % 50000] = { i, tostring(seed) }
end
local keys, sum = {}, 0
for k in pairs(t) do keys[#keys + 1] = k end
table.sort(keys)
for _, k in ipairs(keys) do sum = (sum * 31 + t[k][1]) % 1000000007 end
print(#keys, sum, #table.concat(keys, ","))
local threads, total = {}, 0
for i = 1, 2000 do
	threads[i] = coroutine.wrap(function() for j = 1, 20 do coroutine.yield(j * i) end end)
end
for _, f in ipairs(threads) do
	for _ = 1, 20 do total = total + f() end
end
print(total)
