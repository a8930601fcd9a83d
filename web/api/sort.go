package api

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"
)

// sortBy sorts by the fields of an order_by, each with "-" before it for the other way round. A field that is not among
// those known is refused as Airflow does.
func sortBy[T any](all []T, order []string, standard string, fields map[string]func(a, b T) int) error {
	if len(order) == 0 {
		order = []string{standard}
	}
	var by []func(a, b T) int
	for _, o := range order {
		name, down := strings.CutPrefix(o, "-")
		f, ok := fields[name]
		if !ok {
			return badOrder(name)
		}
		if down {
			f = func(g func(a, b T) int) func(a, b T) int { return func(a, b T) int { return g(b, a) } }(f)
		}
		by = append(by, f)
	}
	slices.SortStableFunc(all, func(a, b T) int {
		for _, f := range by {
			if c := f(a, b); c != 0 {
				return c
			}
		}
		return 0
	})
	return nil
}

func badOrder(name string) error {
	return fail(http.StatusBadRequest, "Ordering with '%s' is disallowed or the attribute does not exist on the model", name)
}

// compareTimes orders times, those that are missing last.
func compareTimes(a, b *time.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return a.Compare(*b)
}

func compareNumbers(a, b *float64) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return cmp.Compare(*a, *b)
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

func containsSegment(path, segment string) bool {
	return slices.Contains(strings.Split(path, "/"), segment)
}
