package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment/events"
	"github.com/tidemill/tidemill/tasks/produce"
)

// demoSource is where the demo's events come from, and the lake days that they are of.
func (c *command) demoSource(f demoFlags) (produce.Source, []lake.Day, error) {
	if f.events == "" {
		return c.sample(f)
	}
	if _, err := os.Stat(f.events); err != nil {
		return produce.Source{}, nil, usage("--events: %v", err)
	}
	source, err := produce.FileSource(f.events)
	if err != nil {
		return produce.Source{}, nil, &UsageError{fmt.Errorf("--events: %w", err)}
	}
	r, err := events.Open(f.events)
	if err != nil {
		return produce.Source{}, nil, &UsageError{fmt.Errorf("--events: %w", err)}
	}
	dates, err := events.Days(r.All(), time.Now())
	if err = errors.Join(err, r.Close()); err != nil {
		return produce.Source{}, nil, &UsageError{fmt.Errorf("--events: %w", err)}
	}
	days := make([]lake.Day, len(dates))
	for i, d := range dates {
		days[i] = lake.DayOf(d)
	}
	return source, days, nil
}

// sample is the generated sample: of the last complete days when the demo first ran in this home folder, and the same ones ever after.
func (c *command) sample(f demoFlags) (produce.Source, []lake.Day, error) {
	from, err := c.sampleStart(f)
	if err != nil {
		return produce.Source{}, nil, err
	}
	days := make([]lake.Day, f.days)
	for i := range days {
		days[i] = lake.DayOf(from.AddDate(0, 0, i))
	}
	return produce.Sample(produce.SampleOptions{From: from, Days: f.days, PerDay: f.perDay, Seed: f.seed}), days, nil
}

func (c *command) sampleStart(f demoFlags) (time.Time, error) {
	path := filepath.Join(c.config.Home, "demo.json")
	var kept struct {
		From lake.Day `json:"from"`
	}
	raw, err := os.ReadFile(path)
	switch {
	case err == nil:
		if err := json.Unmarshal(raw, &kept); err != nil {
			return time.Time{}, fmt.Errorf("read %s: %w", path, err)
		}
		return kept.From.Start(), nil
	case !errors.Is(err, fs.ErrNotExist):
		return time.Time{}, fmt.Errorf("read %s: %w", path, err)
	}
	from := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -f.days)
	kept.From = lake.DayOf(from)
	if raw, err = json.Marshal(kept); err != nil {
		return time.Time{}, fmt.Errorf("encode %s: %w", path, err)
	}
	if err := c.config.makeHome(); err != nil {
		return time.Time{}, err
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		return time.Time{}, fmt.Errorf("write %s: %w", path, err)
	}
	return from, nil
}

// makeHome makes the home folder, for its owner only.
func (c *Config) makeHome() error {
	if err := os.MkdirAll(c.Home, 0o700); err != nil {
		return usage("TIDEMILL_HOME %s cannot be made: %v", c.Home, err)
	}
	return nil
}

// within is the days between from and to, "" for no bound. None is an error.
func within(days []lake.Day, from, to string) ([]lake.Day, error) {
	for _, b := range []struct{ flag, day string }{{"--from", from}, {"--to", to}} {
		if b.day == "" {
			continue
		}
		if _, err := lake.ParseDay(b.day); err != nil {
			return nil, &UsageError{fmt.Errorf("%s: %w", b.flag, err)}
		}
	}
	var out []lake.Day
	for _, d := range days {
		if (from == "" || d >= lake.Day(from)) && (to == "" || d <= lake.Day(to)) {
			out = append(out, d)
		}
	}
	if len(out) == 0 {
		return nil, usage("there is no day to backfill: the events have none with a usable timestamp in the range asked for")
	}
	return out, nil
}
