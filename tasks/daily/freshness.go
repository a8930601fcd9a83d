package daily

import (
	"context"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/lake"
)

// MaxSilence is how long the stream may go without committing a file before a scheduled run fails: the architecture's 2 hours.
const MaxSilence = 2 * time.Hour

// A Situation is what the freshness rule looks at.
type Situation struct {
	Now        time.Time
	Type       engine.RunType
	Due        time.Time // end of the run's data interval; zero when it has none
	DayEnd     time.Time // first moment after the run's day
	LastCommit time.Time // when the stream last committed a file; zero: never
	Watermark  time.Time // the stream's; zero: none
	Partial    bool      // somebody asks for the day as far as it has come
}

// Rule names which question the freshness rule asked.
type Rule string

// The questions.
const (
	RecentFile Rule = "recent_file" // was a file committed within MaxSilence
	Watermark  Rule = "watermark"   // has the stream passed the end of the day
	Partial    Rule = "partial"     // none: the day is taken as far as it has come
)

// Decide tells whether the lake is fresh enough for a run, by which rule, and why it is not.
//
// A scheduled run on time asks for a file within the last two hours: a stream that has stopped is noticed. A backfill, a
// manual run, and a scheduled run that is caught up more than two hours late ask instead that the stream's watermark has passed the
// end of their day, which is then long over.
func Decide(s Situation) (rule Rule, stale error) {
	if s.Partial {
		return Partial, nil
	}
	if s.Type == engine.ScheduledRun && s.Now.Sub(s.Due) <= MaxSilence {
		switch silence := s.Now.Sub(s.LastCommit); {
		case s.LastCommit.IsZero():
			return RecentFile, fmt.Errorf("the lake is stale: no file has ever been committed; is the stream running?")
		case silence > MaxSilence:
			return RecentFile, fmt.Errorf("the lake is stale: no file was committed for %s (since %s), more than %s; are producer and stream running?",
				silence.Round(time.Second), s.LastCommit.UTC().Format(time.RFC3339), MaxSilence)
		}
		return RecentFile, nil
	}
	if s.Watermark.Before(s.DayEnd) {
		at := "has none yet"
		if !s.Watermark.IsZero() {
			at = "is " + s.Watermark.UTC().Format(time.RFC3339)
		}
		return Watermark, fmt.Errorf("the lake is not complete: the stream's watermark %s, and the day ends at %s", at, s.DayEnd.UTC().Format(time.RFC3339))
	}
	return Watermark, nil
}

// Freshness is what the check found: the day that the run works on, and by what it is fresh.
type Freshness struct {
	Day        lake.Day   `json:"day"`
	Logical    time.Time  `json:"logical_date,omitzero"`
	Rule       Rule       `json:"rule"`
	LastCommit *time.Time `json:"last_commit,omitempty"`
	Watermark  *time.Time `json:"watermark,omitempty"`
	// FullRefresh hands the run's param on.
	FullRefresh bool `json:"full_refresh,omitempty"`
}

// CheckFreshness fails when the lake is not fresh enough for the run; see [Decide].
func (t Tasks) CheckFreshness(ctx context.Context, run engine.Run[Params]) (Freshness, error) {
	day, err := dayOf(run)
	if err != nil {
		return Freshness{}, engine.Permanent(err)
	}
	last, err := t.Lake.LastCommit(ctx)
	if err != nil {
		return Freshness{}, fmt.Errorf("read the lake's last commit: %w", err)
	}
	mark, err := t.Lake.Watermark(ctx)
	if err != nil {
		return Freshness{}, fmt.Errorf("read the stream's watermark: %w", err)
	}
	rule, stale := Decide(Situation{Now: t.Now(), Type: run.Type, Due: run.End, DayEnd: day.End(), LastCommit: last, Watermark: mark, Partial: run.Params.Partial})
	engine.Log(ctx).Info("freshness", "day", day, "rule", rule, "last_commit", last, "watermark", mark, "fresh", stale == nil)
	return Freshness{Day: day, Logical: run.Logical, Rule: rule, LastCommit: moment(last), Watermark: moment(mark), FullRefresh: run.Params.FullRefresh}, stale
}

// dayOf is the day that a run works on: its logical date's, or the one that its params name.
func dayOf(run engine.Run[Params]) (lake.Day, error) {
	switch {
	case run.Params.Day != "":
		return run.Params.Day, nil
	case run.Day != "":
		return lake.ParseDay(run.Day)
	}
	return "", errNoDay
}

var errNoDay = &engine.InvalidError{Field: "params.day", Message: "a run without a logical date needs the day that it is for, as in {\"day\": \"2024-01-05\"}"}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
