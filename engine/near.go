package engine

import (
	"slices"
	"strconv"
	"strings"
)

// Near says which of the names somebody may have meant who wrote another: those that are much alike, else all of them as far as they are few.
// It is a clause to end a message with; "" when there is nothing to say.
func Near(name string, names []string) string {
	const most = 8
	var alike []string
	for _, n := range names {
		a, b := strings.ToLower(name), strings.ToLower(n)
		if distance(a, b) <= max(1, len(a)/3) || len(a) >= 3 && strings.Contains(b, a) {
			alike = append(alike, strconv.Quote(n))
		}
	}
	slices.Sort(alike)
	switch {
	case len(alike) > 0:
		return "; did you mean " + strings.Join(alike[:min(most, len(alike))], " or ") + "?"
	case len(names) == 0:
		return "; there is none"
	}
	all := slices.Sorted(slices.Values(names))
	if len(all) > most {
		return "; there are " + strings.Join(all[:most], ", ") + " and " + strconv.Itoa(len(all)-most) + " more"
	}
	return "; there are " + strings.Join(all, ", ")
}

// distance is how many letters must be changed, added or left out to make one word of another.
func distance(a, b string) int {
	if abs := len(a) - len(b); abs > 8 || abs < -8 {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
