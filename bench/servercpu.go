package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// serverCPU is what all of the server's processes have used so far, those that have ended included; ok is false where it cannot
// be told: on other systems than Linux, or when the server runs elsewhere. Machines that others share make wall time worthless, and
// CPU time not.
func serverCPU(ctx context.Context, address string) (used time.Duration, ok bool) {
	err := on(ctx, address, func(conn *pgx.Conn) error {
		var backend int
		if err := conn.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&backend); err != nil {
			return err
		}
		own, err := readStat(backend)
		if err != nil {
			return err
		}
		if own.name != "postgres" && own.name != "postmaster" {
			return fmt.Errorf("process %d is no PostgreSQL", backend)
		}
		master, err := readStat(own.parent)
		if err != nil {
			return err
		}
		used = master.own + master.ended
		all, err := filepath.Glob("/proc/[0-9]*")
		if err != nil {
			return err
		}
		for _, dir := range all {
			pid, err := strconv.Atoi(filepath.Base(dir))
			if err != nil {
				continue
			}
			if s, err := readStat(pid); err == nil && s.parent == own.parent {
				used += s.own
			}
		}
		return nil
	})
	return used, err == nil
}

// A stat is what Linux tells of a process.
type stat struct {
	name       string
	parent     int
	own, ended time.Duration // CPU time of itself, and of children that it has waited for
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	from, to := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if from < 0 || to < from {
		return stat{}, fmt.Errorf("status of process %d cannot be read", pid)
	}
	f := bytes.Fields(text[to+1:]) // from field 3 on, as proc(5) counts
	if len(f) < 15 {
		return stat{}, fmt.Errorf("status of process %d cannot be read", pid)
	}
	s := stat{name: string(text[from+1 : to])}
	var ticks [4]int64
	for i, at := range []int{11, 12, 13, 14} {
		if ticks[i], err = strconv.ParseInt(string(f[at]), 10, 64); err != nil {
			return stat{}, err
		}
	}
	if s.parent, err = strconv.Atoi(string(f[1])); err != nil {
		return stat{}, err
	}
	const tick = 10 * time.Millisecond // 100 a second on every Linux that Go knows
	s.own, s.ended = time.Duration(ticks[0]+ticks[1])*tick, time.Duration(ticks[2]+ticks[3])*tick
	return s, nil
}

// A cpuMeter measures the CPU time of this process and of the server.
type cpuMeter struct {
	address      string
	ours, theirs time.Duration
	known        bool
}

func startCPU(ctx context.Context, address string) cpuMeter {
	m := cpuMeter{address: address}
	m.theirs, m.known = serverCPU(ctx, address)
	m.ours = cpuTime()
	return m
}

// figures tells what was used since the start, for each of n things called what.
func (m cpuMeter) figures(ctx context.Context, n int, what string) []figure {
	micros := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(n) }
	out := []figure{{unit: "µs", value: micros(cpuTime() - m.ours), note: "CPU of this process a " + what}}
	if theirs, known := serverCPU(ctx, m.address); known && m.known {
		out = append(out, figure{unit: "µs", value: micros(theirs - m.theirs), note: "of PostgreSQL"})
	}
	return out
}
