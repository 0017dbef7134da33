// Bench runs one of the workloads of bench/gc: trees, gcbench, lru, documents or requests, and prints its result as the
// C programs do: the clock, chance, and what the collector did.
//
//	bench WORKLOAD ARGUMENTS...
package main

import (
	"fmt"
	"math"
	"os"
	"runtime/metrics"
	"strconv"
	"time"
)

type chance uint64

func newChance(n uint64) chance { return chance((n + 1) * 0x9e3779b97f4a7c15) }

// any is xorshift*, 48 bits a number, as in bench/malloc/bench.h.
func (c *chance) any() uint64 {
	s := uint64(*c)
	s ^= s << 13
	s ^= s >> 7
	s ^= s << 17
	*c = chance(s)
	return s * 0x2545f4914f6cdd1d >> 16
}

func (c *chance) below(limit int) int { return int(c.any() % uint64(limit)) }

func (c *chance) between(from, to int) int { return from + c.below(to-from+1) }

func argument(index, otherwise int) int {
	if index+2 >= len(os.Args) {
		return otherwise
	}
	n, err := strconv.Atoi(os.Args[index+2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return n
}

var taken time.Duration

func timed(work func()) {
	from := time.Now()
	work()
	taken += time.Since(from)
}

func sum(counts []uint64) (all uint64) {
	for _, n := range counts {
		all += n
	}
	return all
}

// percentile is the upper bound of the bucket in which it lies, in ns; the last finite one for what is beyond.
func percentile(h *metrics.Float64Histogram, percent float64) uint64 {
	all, below := sum(h.Counts), uint64(0)
	for i, n := range h.Counts {
		below += n
		if n > 0 && float64(below) >= float64(all)*percent/100 {
			if bound := h.Buckets[i+1]; !math.IsInf(bound, 1) {
				return uint64(bound * 1e9)
			}
			return uint64(h.Buckets[i] * 1e9)
		}
	}
	return 0
}

func tellCollections() {
	s := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/sched/pauses/total/gc:seconds"},
		{Name: "/sched/pauses/stopping/gc:seconds"}}
	metrics.Read(s)
	pause, stop := s[1].Value.Float64Histogram(), s[2].Value.Float64Histogram()
	fmt.Fprintf(os.Stderr, "gc collections=%d p50=%d p99=%d max=%d stops=%d stop_p50=%d stop_p99=%d stop_max=%d\n",
		s[0].Value.Uint64(), percentile(pause, 50), percentile(pause, 99), percentile(pause, 100),
		sum(stop.Counts), percentile(stop, 50), percentile(stop, 99), percentile(stop, 100))
}

func main() {
	workloads := map[string]func() uint64{"trees": trees, "gcbench": gcbench, "lru": lru, "documents": documents,
		"requests": requests}
	if len(os.Args) < 2 || workloads[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: bench trees|gcbench|lru|documents|requests ARGUMENTS...")
		os.Exit(2)
	}
	check := workloads[os.Args[1]]()
	if os.Getenv("CAIRN_GC_BENCH") != "" {
		tellCollections()
	}
	fmt.Printf("time %.6f\ncheck %x\n", taken.Seconds(), check)
}
