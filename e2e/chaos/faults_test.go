package chaos

import (
	"context"
	"math/rand/v2"
	"syscall"
	"time"
)

// A plague does to the processes and their database what the world does.
type plague struct {
	fleet  *fleet
	db     *database
	rng    *rand.Rand
	cut    func(context.Context) // breaks some of the database's connections
	counts map[string]int
}

func (p *plague) between(low, high time.Duration) time.Duration {
	return low + time.Duration(p.rng.Int64N(int64(high-low)))
}

// rage goes on until ctx ends; then all is well again: three processes run, none is frozen, the database is there.
func (p *plague) rage(ctx context.Context) error {
	for pause(ctx, p.between(50*time.Millisecond, 900*time.Millisecond)) == nil {
		p.fleet.check()
		var err error
		i := p.rng.IntN(processes)
		switch n := p.rng.IntN(100); {
		case n < 25:
			p.counts["killed"]++
			p.fleet.kill(i)
			_ = pause(ctx, p.between(0, time.Second))
			p.fleet.start(i)
		case n < 30:
			p.counts["all killed"]++
			for i := range processes {
				p.fleet.kill(i)
			}
			for i := range processes {
				p.fleet.start(i)
			}
		case n < 50:
			p.counts["frozen beyond the lease"]++
			p.freeze(ctx, p.between(deadAfter+3*heartbeat, 3*deadAfter), i)
		case n < 60:
			p.counts["frozen for a moment"]++
			p.freeze(ctx, p.between(0, deadAfter/2), i)
		case n < 65:
			p.counts["all frozen"]++
			p.freeze(ctx, p.between(0, 3*deadAfter), 0, 1, 2)
		case n < 70:
			p.counts["frozen, then killed"]++
			p.fleet.signal(i, syscall.SIGSTOP)
			_ = pause(ctx, p.between(0, 2*deadAfter))
			p.fleet.kill(i)
			p.fleet.start(i)
		case n < 82:
			p.counts["connections cut"]++
			p.cut(ctx)
		case n < 90:
			p.counts["database restarted"]++
			err = p.db.restart(ctx, false, p.between(0, 2*time.Second))
		case n < 97:
			p.counts["database crashed"]++
			err = p.db.restart(ctx, true, p.between(0, 2*time.Second))
		default:
			p.counts["frozen while the database crashed"]++
			p.fleet.signal(i, syscall.SIGSTOP)
			err = p.db.restart(ctx, true, p.between(0, deadAfter))
			_ = pause(ctx, p.between(0, 2*deadAfter))
			p.fleet.signal(i, syscall.SIGCONT)
		}
		if err != nil {
			return err
		}
	}
	p.fleet.check()
	return nil
}

func (p *plague) freeze(ctx context.Context, d time.Duration, which ...int) {
	for _, i := range which {
		p.fleet.signal(i, syscall.SIGSTOP)
	}
	_ = pause(ctx, d)
	for _, i := range which {
		p.fleet.signal(i, syscall.SIGCONT)
	}
}
