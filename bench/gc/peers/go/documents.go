package main

import "bytes"

// As the C program numbers them.
const (
	kindText = iota
	kindNumber
	kindList
	kindMap
)

type value interface{ walk() uint64 }

type text []byte
type number float64
type list []value
type member struct {
	key   *text
	value value
}
type object struct{ members []member }

func (t *text) walk() uint64   { return kindText + uint64(len(*t))*7 + uint64((*t)[len(*t)-1]) }
func (n *number) walk() uint64 { return kindNumber + 7 + uint64(*n) }

func (l *list) walk() uint64 {
	sum := kindList + uint64(len(*l))*7
	for _, v := range *l {
		sum = sum*31 + v.walk()
	}
	return sum
}

func (o *object) walk() uint64 {
	sum := kindMap + uint64(len(o.members))*7
	for _, m := range o.members {
		if m.key != nil {
			sum = sum*31 + m.key.walk() + m.value.walk()
		}
	}
	return sum
}

type maker struct {
	chance
	left int // values that the document may still have
}

func (m *maker) text(least, most int) *text {
	length := m.between(least, most)
	t := text(bytes.Repeat([]byte{byte('a' + m.below(26))}, length))
	return &t
}

func (m *maker) number() *number {
	n := number(m.below(1000000))
	return &n
}

func (m *maker) list(depth int) *list {
	count := m.between(2, 24)
	l := make(list, 0, 4)
	for i := 0; i < count && m.left > 0; i++ {
		l = append(l, m.value(depth+1))
	}
	return &l
}

func (m *maker) object(depth int) *object {
	o := &object{make([]member, m.between(2, 12))}
	for i := range o.members {
		if m.left == 0 {
			break
		}
		o.members[i].key = m.text(3, 20)
		o.members[i].value = m.value(depth + 1)
	}
	return o
}

func (m *maker) value(depth int) value {
	if m.left > 0 {
		m.left--
	}
	at := m.below(100)
	switch {
	case depth < 12 && (depth < 4 || at < 24) && at&1 == 1:
		return m.list(depth)
	case depth < 12 && (depth < 4 || at < 24):
		return m.object(depth)
	case at < 60:
		return m.text(4, 100)
	}
	return m.number()
}

// document is the whole: a list of values until there are enough.
func (m *maker) document(nodes int) *list {
	l := make(list, 0, 16)
	for m.left = nodes; m.left > 0; {
		l = append(l, m.value(1))
	}
	return &l
}

// documents NODES [COUNT]: trees as JSON has them, as in bench/gc/documents.c.
func documents() (check uint64) {
	nodes, count := argument(0, 1100000), argument(1, 12)
	m := maker{chance: newChance(7)}
	timed(func() {
		for i := 0; i < count; i++ {
			check = check*31 + m.document(nodes).walk()
		}
	})
	return check
}
