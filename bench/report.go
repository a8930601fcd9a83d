package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
)

// A format is how results are written.
type format int

const (
	plain format = iota
	asJSON
	asMarkdown
)

// report writes the results: a line each, one JSON object of names of benchmarks to names of figures to numbers, or rows of a table in
// Markdown.
func report(out io.Writer, results []result, as format) error {
	if as == asJSON {
		object := map[string]map[string]float64{}
		for _, r := range results {
			object[r.name] = map[string]float64{}
			for _, f := range r.figures {
				if f.key != "" {
					object[r.name][f.key] = rounded(f.value)
				}
			}
		}
		return json.NewEncoder(out).Encode(object)
	}
	row := "%-16s %s\n"
	if as == asMarkdown {
		row = "| `%s` | %s |\n"
	}
	for _, r := range results {
		if _, err := fmt.Fprintf(out, row, r.name, line(r.figures)); err != nil {
			return err
		}
	}
	return nil
}

func line(figures []figure) string {
	var parts []string
	for _, f := range figures {
		text := fmt.Sprintf("%s %s", number(f.value), f.unit)
		if f.note != "" {
			text += " (" + f.note + ")"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// rounded keeps four significant digits of what is below 1,000, and whole numbers above.
func rounded(v float64) float64 {
	if v == 0 || math.Abs(v) >= 1000 {
		return math.Round(v)
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

func number(v float64) string {
	v = rounded(v)
	if v >= 1000 {
		s := fmt.Sprintf("%.0f", v)
		for at := len(s) - 3; at > 0; at -= 3 {
			s = s[:at] + "," + s[at:]
		}
		return s
	}
	return fmt.Sprintf("%g", v)
}
