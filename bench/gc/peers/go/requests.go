package main

import "time"

const (
	partsOfRequest   = 40
	requestsPerEntry = 20
)

type part struct {
	next *part
	word [7]uint64
}

func newPart(next *part, first uint64) *part {
	p := &part{next: next}
	for i := range p.word {
		p.word[i] = first + uint64(i)
	}
	return p
}

func makeRequest(number uint64) (list *part) {
	for i := uint64(0); i < partsOfRequest; i++ {
		list = newPart(list, number+i)
	}
	return list
}

func (p *part) sum() (of uint64) {
	for ; p != nil; p = p.next {
		of += p.word[0] + p.word[len(p.word)-1]
	}
	return of
}

func replace(table []*part, at int, by *part) uint64 {
	of := table[at].sum()
	table[at] = by
	return of
}

// requests REQUESTS CACHE [SLOTS]: requests in hand beside a cache, as in bench/gc/requests.c.
func requests() (check uint64) {
	count, entries, slots := argument(0, 1400000), argument(1, 400000), argument(2, 256)
	hand, cache, random := make([]*part, slots), make([]*part, entries), newChance(1)
	for i := range cache {
		cache[i] = newPart(nil, uint64(i))
	}
	var took times
	timed(func() {
		began, before := time.Now(), time.Duration(0)
		for i := 0; i < count; i++ {
			check = check*31 + replace(hand, random.below(slots), makeRequest(uint64(i)))
			if i%requestsPerEntry == 0 {
				check += replace(cache, random.below(entries), newPart(nil, uint64(i)))
			}
			now := time.Since(began)
			took.note(now - before)
			before = now
		}
	})
	took.print("request")
	return check
}
