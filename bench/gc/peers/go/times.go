package main

import (
	"fmt"
	"math/bits"
	"time"
)

// times are counted by eighths of the binary logarithm of their ns, as in bench/gc/times.h.
type times struct {
	histogram [4 * 256]uint32
	longest   time.Duration
}

func (t *times) note(d time.Duration) {
	log := bits.Len64(uint64(d)|8) - 1
	t.histogram[log*8+int(d>>(log-3)&7)]++
	if d > t.longest {
		t.longest = d
	}
}

func (t *times) percentileUs(percent float64) float64 {
	all, below, i := uint64(0), uint64(0), 0
	for _, n := range t.histogram {
		all += uint64(n)
	}
	for ; i < len(t.histogram)-1; i++ {
		below += uint64(t.histogram[i])
		if float64(below) >= float64(all)*percent/100 {
			break
		}
	}
	return float64((8+i&7)<<(i/8)>>3) / 1e3
}

func (t *times) print(name string) {
	for _, p := range []float64{50, 99, 99.9, 99.99} {
		fmt.Printf("%s_p%v_us %.2f\n", name, p, t.percentileUs(p))
	}
	fmt.Printf("%s_longest_us %.0f\n", name, float64(t.longest)/1e3)
}
