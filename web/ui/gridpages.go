package ui

import (
	"net/url"
	"strconv"
)

// How many runs the grid shows at once: usually, and at most.
const (
	gridRuns = 25
	maxRuns  = 200
)

// stretch is which runs an address asks for: how many, and how many newer ones are left out.
func stretch(q url.Values) (n, skip int) {
	n, _ = strconv.Atoi(q.Get("runs"))
	if n <= 0 || n > maxRuns {
		n = gridRuns
	}
	skip, _ = strconv.Atoi(q.Get("skip"))
	return n, max(skip, 0)
}

// page says which of its runs the grid shows and where the others are.
func (g *gridData) page(u *url.URL, n, skip int) {
	g.Newest, g.Oldest = skip+1, skip+len(g.Columns)
	to := func(skip int) string {
		if skip <= 0 {
			return with(u, "skip", "")
		}
		return with(u, "skip", strconv.Itoa(skip))
	}
	if older := g.Total > g.Oldest && len(g.Columns) > 0; older {
		g.Older = to(skip + n)
		if n < maxRuns {
			g.More = with(u, "runs", strconv.Itoa(min(n*2, maxRuns)))
		}
	}
	if skip == 0 {
		return
	}
	g.Newer = to(min(skip, g.Total) - n) // from beyond the oldest run back to the oldest ones
	if skip > n {
		g.First = to(0)
	}
}

// with is a page's address with one query parameter set; "" leaves it out.
func with(u *url.URL, name, value string) string {
	q := u.Query()
	q.Set(name, value)
	if value == "" {
		q.Del(name)
	}
	if len(q) == 0 {
		return u.Path
	}
	return u.Path + "?" + q.Encode()
}
