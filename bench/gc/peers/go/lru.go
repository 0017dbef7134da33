package main

import (
	"bytes"
	"time"
)

const (
	operationsPerEntry = 8
	entryHeader        = 36 // of the C program's entry: what of its bytes is no value
)

type entry struct {
	newer, older *entry // in order of use
	next         *entry // in its bucket
	key          uint64
	value        []byte
}

type cache struct {
	newest, oldest *entry
	count, most    int
	buckets        []*entry
}

func newCache(most int) *cache {
	size := 16
	for size < most {
		size *= 2
	}
	return &cache{most: most, buckets: make([]*entry, size)}
}

func (c *cache) bucketOf(key uint64) uint64 {
	return key * 0x9e3779b97f4a7c15 >> 20 & uint64(len(c.buckets)-1)
}

func (c *cache) find(key uint64) *entry {
	e := c.buckets[c.bucketOf(key)]
	for e != nil && e.key != key {
		e = e.next
	}
	return e
}

func (c *cache) takeOutOfOrder(e *entry) {
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		c.newest = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		c.oldest = e.newer
	}
}

func (c *cache) makeNewest(e *entry) {
	e.newer, e.older = nil, c.newest
	if c.newest != nil {
		c.newest.newer = e
	} else {
		c.oldest = e
	}
	c.newest = e
}

func (c *cache) throwOutOldest() {
	e := c.oldest
	at := &c.buckets[c.bucketOf(e.key)]
	for *at != e {
		at = &(*at).next
	}
	*at = e.next
	c.takeOutOfOrder(e)
	c.count--
}

func (c *cache) add(key uint64) *entry {
	if c.count == c.most {
		c.throwOutOldest()
	}
	length := 64 + int(key*0xd6e8feb86659fd93>>40%193) - entryHeader
	at := &c.buckets[c.bucketOf(key)]
	e := &entry{next: *at, key: key, value: bytes.Repeat([]byte{byte(key)}, length)}
	*at = e
	c.makeNewest(e)
	c.count++
	return e
}

func (c *cache) use(key uint64) uint64 {
	e := c.find(key)
	if e != nil {
		c.takeOutOfOrder(e)
		c.makeNewest(e)
	} else {
		e = c.add(key)
	}
	return uint64(e.value[len(e.value)-1]) + uint64(len(e.value))
}

// lru ENTRIES: a cache with a table and a list in order of use, as in bench/gc/lru.c.
func lru() (check uint64) {
	most := argument(0, 1000000)
	c, random := newCache(most), newChance(1)
	for key := 0; key < most; key++ {
		c.use(uint64(key))
	}
	var took times
	timed(func() {
		began, before := time.Now(), time.Duration(0)
		for i := 0; i < operationsPerEntry*most; i++ {
			at := random.below(4 * most)
			key := random.below(at+1) + i/8
			check = check*31 + c.use(uint64(key))
			now := time.Since(began)
			took.note(now - before)
			before = now
		}
	})
	took.print("operation")
	return check
}
