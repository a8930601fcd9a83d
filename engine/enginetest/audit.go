package enginetest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// note stores what people did, with the change that is being made.
func (s *Store) note(acts []engine.AuditEntry, now time.Time) {
	for _, a := range acts {
		s.lastAct++
		a = copyAct(a)
		a.ID, a.At = s.lastAct, now
		s.audit = append(s.audit, a)
	}
}

func copyAct(a engine.AuditEntry) engine.AuditEntry {
	a.Logical, a.Extra = copyOf(a.Logical), bytes.Clone(a.Extra)
	return a
}

// Audit implements engine.AuditStore.
func (s *Store) Audit(ctx context.Context, f engine.AuditFilter) ([]engine.AuditEntry, int, error) {
	p, err := query(ctx, s, "Audit", func(time.Time) (page[engine.AuditEntry], error) {
		fit, err := fitting(s.audit, f)
		if err != nil {
			return page[engine.AuditEntry]{}, err
		}
		return pageOf(fit, f.Limit, f.Offset, copyAct), nil
	})
	return p.rows, p.total, err
}

// AuditEntry implements engine.AuditStore.
func (s *Store) AuditEntry(ctx context.Context, id int64) (engine.AuditEntry, error) {
	return query(ctx, s, "AuditEntry", func(time.Time) (engine.AuditEntry, error) {
		for _, a := range s.audit {
			if a.ID == id {
				return copyAct(a), nil
			}
		}
		return engine.AuditEntry{}, fmt.Errorf("entry %d of the audit log: %w", id, engine.ErrNotFound)
	})
}

// PruneAudit implements engine.AuditStore.
func (s *Store) PruneAudit(ctx context.Context, before time.Time, limit int, acts ...engine.AuditEntry) (int, error) {
	return s.prune(ctx, "PruneAudit", acts, func() int {
		n := 0
		s.audit = slices.DeleteFunc(s.audit, func(a engine.AuditEntry) bool {
			if n == limit || !a.At.Before(before) {
				return false
			}
			n++
			return true
		})
		return n
	})
}

// prune runs one deletion and notes who did it when it deleted something.
func (s *Store) prune(ctx context.Context, op string, acts []engine.AuditEntry, some func() int) (int, error) {
	return query(ctx, s, op, func(now time.Time) (int, error) {
		n := some()
		if n > 0 {
			s.note(acts, now)
		}
		return n, nil
	})
}

// fitting are the entries that fit a filter, in its order.
func fitting(all []engine.AuditEntry, f engine.AuditFilter) ([]engine.AuditEntry, error) {
	matches := make([]func(string) bool, len(f.Match))
	for i, m := range f.Match {
		if auditTexts[m.Field] == nil {
			return nil, fmt.Errorf("match of the audit log by %q: there is no such field", m.Field)
		}
		if err := m.Check(); err != nil {
			return nil, fmt.Errorf("match of the audit log: %w", err)
		}
		matches[i] = liker(m.Patterns, m.Fold)
	}
	is := func(want, have string) bool { return want == "" || want == have }
	var out []engine.AuditEntry
	for _, a := range all {
		fits := is(f.DAG, a.DAG) && is(f.RunID, a.RunID) && is(f.Task, a.Task) && is(f.By, a.By) &&
			(f.MapIndex == nil || a.Task != "" && a.MapIndex == *f.MapIndex) && (f.Try == nil || a.Try == *f.Try) &&
			(len(f.Events) == 0 || slices.Contains(f.Events, a.Event)) && !slices.Contains(f.NotEvents, a.Event) &&
			(f.After == nil || a.At.After(*f.After)) && (f.Before == nil || a.At.Before(*f.Before))
		for i, m := range f.Match {
			text := auditTexts[m.Field](&a)
			fits = fits && text != "" && matches[i](text)
		}
		if fits {
			out = append(out, a)
		}
	}
	return out, orderAudit(out, f.OrderBy)
}

// auditTexts are the fields of an entry that are text.
var auditTexts = map[string]func(*engine.AuditEntry) string{
	"dag_id":  func(a *engine.AuditEntry) string { return a.DAG },
	"task_id": func(a *engine.AuditEntry) string { return a.Task },
	"run_id":  func(a *engine.AuditEntry) string { return a.RunID },
	"owner":   func(a *engine.AuditEntry) string { return a.By },
	"event":   func(a *engine.AuditEntry) string { return a.Event },
}

// liker fits texts that one of some LIKE patterns fits.
func liker(patterns []string, fold bool) func(string) bool {
	var all []*regexp.Regexp
	for _, p := range patterns {
		expr := "(?s)^"
		if fold {
			expr = "(?si)^"
		}
		escaped := false
		for _, c := range p {
			switch {
			case escaped:
				expr += regexp.QuoteMeta(string(c))
				escaped = false
			case c == '\\':
				escaped = true
			case c == '%':
				expr += ".*"
			case c == '_':
				expr += "."
			default:
				expr += regexp.QuoteMeta(string(c))
			}
		}
		all = append(all, regexp.MustCompile(expr+"$"))
	}
	return func(text string) bool {
		return slices.ContainsFunc(all, func(re *regexp.Regexp) bool { return re.MatchString(text) })
	}
}

// orderAudit sorts entries that are in the order of their ids.
func orderAudit(all []engine.AuditEntry, by []string) error {
	var compare []func(a, b *engine.AuditEntry) int
	for _, o := range by {
		name, down := strings.CutPrefix(o, "-")
		var f func(a, b *engine.AuditEntry) int
		switch text := auditTexts[name]; {
		case text != nil:
			f = func(a, b *engine.AuditEntry) int { return cmp.Compare(text(a), text(b)) }
		case name == "id":
			f = func(a, b *engine.AuditEntry) int { return cmp.Compare(a.ID, b.ID) }
		case name == "when":
			f = func(a, b *engine.AuditEntry) int { return a.At.Compare(b.At) }
		case name == "extra":
			f = func(a, b *engine.AuditEntry) int { return cmp.Compare(string(a.Extra), string(b.Extra)) }
		case name == "logical_date":
			compare = append(compare, func(a, b *engine.AuditEntry) int { return cmp.Compare(missing(a.Logical), missing(b.Logical)) })
			f = func(a, b *engine.AuditEntry) int {
				if a.Logical == nil || b.Logical == nil {
					return 0
				}
				return a.Logical.Compare(*b.Logical)
			}
		default:
			return fmt.Errorf("order of the audit log by %q: there is no such field", o)
		}
		if down {
			compare = append(compare, func(a, b *engine.AuditEntry) int { return f(b, a) })
		} else {
			compare = append(compare, f)
		}
	}
	slices.SortStableFunc(all, func(a, b engine.AuditEntry) int {
		for _, f := range compare {
			if c := f(&a, &b); c != 0 {
				return c
			}
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return nil
}

func missing(t *time.Time) int {
	if t == nil {
		return 1
	}
	return 0
}
