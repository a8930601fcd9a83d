package warehouse

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/tidemill/tidemill/storage/lake"
)

// A replay of a day makes its files anew and raises the day's generation: the files that were there are replaced. What they
// have brought into bronze gives way to what their successors bring.

// generations are those of the days that were replayed.
type generations map[lake.Day]int

func generationsOf(days []lake.DayStat) generations {
	g := generations{}
	for _, d := range days {
		if d.Generation > 0 {
			g[d.Day] = d.Generation
		}
	}
	return g
}

// list lists the lake's files up to a day, and its days, as of one moment as far as replays go.
func (w *Warehouse) list(ctx context.Context, upTo lake.Day) ([]lake.File, []lake.DayStat, error) {
	before, err := w.source.Days(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("list the days of the lake: %w", err)
	}
	for {
		files, err := w.source.Files(ctx, upTo)
		if err != nil {
			return nil, nil, fmt.Errorf("list the files of the lake up to %s: %w", upTo, err)
		}
		days, err := w.source.Days(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("list the days of the lake: %w", err)
		}
		if maps.Equal(generationsOf(before), generationsOf(days)) {
			return files, days, nil
		}
		before = days // a replay ended meanwhile
	}
}

// repair is a day that was replayed since it was loaded.
type repair struct {
	day        lake.Day
	generation int
	retired    []mark      // of files that were replaced and have, or may have, rows in bronze
	files      []lake.File // that are not loaded, or not to the end, in the lake's order
}

// repairs says which days are to be repaired, in order, by the marks of what is loaded and what the lake lists: those with
// the mark of a file that is no longer listed and is of an older generation than the day. A file of the day's own generation
// that is not listed was lost, not replaced: it stays, and the audit of the day tells.
func repairs(marks []mark, listed []lake.File, days generations) []repair {
	live := make(map[string]bool, len(listed))
	for _, f := range listed {
		live[f.Path] = true
	}
	byDay := map[lake.Day]*repair{}
	for _, m := range marks {
		generation := days[m.day]
		if live[m.path] || m.generation >= generation {
			continue
		}
		if byDay[m.day] == nil {
			byDay[m.day] = &repair{day: m.day, generation: generation}
		}
		byDay[m.day].retired = append(byDay[m.day].retired, m)
	}
	var all []repair
	for _, day := range slices.Sorted(maps.Keys(byDay)) {
		all = append(all, *byDay[day])
	}
	return all
}
