package ui

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// streamsData is what the page of the streams shows.
type streamsData struct {
	Streams []streamCard
	Lake    []fact
	LakeErr string
}

type streamCard struct {
	engine.StreamStatus
	Replicas []replicaCard
}

type replicaCard struct {
	engine.ReplicaStatus
	Class string
	Big   []fact // what people look at first
	Facts []fact
	Parts partTable
}

// A fact is a name and a value.
type fact struct {
	Name, Value string
	At          *time.Time // a time, shown by its distance
}

// partTable is a list of objects of the same fields, such as partitions.
type partTable struct {
	Name   string
	Fields []string
	Rows   [][]string
}

func (s *server) streamsPage(ctx context.Context, _ *http.Request) (*page, error) {
	all, err := s.Store.Streams(ctx)
	if err != nil {
		return nil, err
	}
	var d streamsData
	for _, st := range all {
		c := streamCard{StreamStatus: st}
		for _, r := range st.Replicas {
			c.Replicas = append(c.Replicas, replica(r))
		}
		d.Streams = append(d.Streams, c)
	}
	if s.Lake != nil {
		d.Lake, err = s.lakeFacts(ctx)
		if err != nil {
			s.Log.Warn("the lake's status", "error", err)
			d.LakeErr = "could not be read; the server's log says why"
		}
	}
	return &page{Title: "Streams", Name: "streams", Nav: "streams", Data: d}, nil
}

func (s *server) lakeFacts(ctx context.Context) ([]fact, error) {
	status, err := s.Lake(ctx)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(status)
	if err != nil {
		return nil, fmt.Errorf("encode the lake's status: %w", err)
	}
	facts, _ := factsOf(raw)
	return facts, nil
}

func replica(r engine.ReplicaStatus) replicaCard {
	c := replicaCard{ReplicaStatus: r, Class: streamClass(r.State)}
	facts, parts := factsOf(r.Progress)
	c.Parts = parts
	for _, f := range facts {
		switch f.Name {
		case "lag", "rows", "batch duration", "watermark":
			c.Big = append(c.Big, f)
		case "at":
		default:
			c.Facts = append(c.Facts, f)
		}
	}
	order := []string{"lag", "watermark", "batch duration", "rows"}
	slices.SortFunc(c.Big, func(a, b fact) int { return slices.Index(order, a.Name) - slices.Index(order, b.Name) })
	return c
}

func streamClass(state string) string {
	switch state {
	case "running":
		return string(engine.Running)
	case "restarting":
		return string(engine.UpForRetry)
	case "paused":
		return string(engine.Skipped)
	}
	return string(engine.Removed)
}

// factsOf reads what a stream, or the lake, tells of itself, whatever its fields are: names and values in their order, and
// the first list of objects as a table.
func factsOf(raw []byte) ([]fact, partTable) {
	var facts []fact
	var table partTable
	for _, f := range fields(raw) {
		name := strings.ReplaceAll(f.name, "_", " ")
		switch {
		case slices.Contains([]string{"[]", "{}", `""`}, string(f.value)): // nothing is said
		case f.value[0] == '[' && table.Fields == nil && isObjects(f.value):
			table = tableOf(name, f.value)
		case f.value[0] == '[':
			facts = append(facts, fact{Name: name, Value: plainJSON(f.value)})
		case f.value[0] == '{':
			var parts []string
			for _, sub := range fields(f.value) {
				parts = append(parts, sub.name+" "+valueText(sub.name, sub.value))
			}
			facts = append(facts, fact{Name: name, Value: strings.Join(parts, ", ")})
		default:
			facts = append(facts, factOf(name, f))
		}
	}
	return facts, table
}

func factOf(name string, f field) fact {
	var at time.Time
	if json.Unmarshal(f.value, &at) == nil && !at.IsZero() {
		return fact{Name: name, At: &at}
	}
	return fact{Name: name, Value: valueText(f.name, f.value)}
}

func valueText(name string, v json.RawMessage) string {
	var number float64
	if json.Unmarshal(v, &number) == nil {
		if strings.HasSuffix(name, "duration") && number > 1e5 {
			return span(time.Duration(number))
		}
		if strings.HasSuffix(name, "bytes") && number >= 1<<20 {
			return fmt.Sprintf("%.1f MiB", number/(1<<20))
		}
		return count(number)
	}
	return maskValue(name, plainJSON(v))
}

func plainJSON(v json.RawMessage) string {
	var text string
	if json.Unmarshal(v, &text) == nil {
		return text
	}
	return string(v)
}

func isObjects(v json.RawMessage) bool {
	var list []map[string]json.RawMessage
	return json.Unmarshal(v, &list) == nil && len(list) > 0
}

func tableOf(name string, v json.RawMessage) partTable {
	t := partTable{Name: name}
	var list []json.RawMessage
	if json.Unmarshal(v, &list) != nil {
		return t
	}
	for _, f := range fields(list[0]) {
		t.Fields = append(t.Fields, f.name)
	}
	for _, item := range list {
		row := make([]string, len(t.Fields))
		for _, f := range fields(item) {
			if i := slices.Index(t.Fields, f.name); i >= 0 {
				row[i] = valueText(f.name, f.value)
			}
		}
		t.Rows = append(t.Rows, row)
	}
	for i, f := range t.Fields {
		t.Fields[i] = strings.ReplaceAll(f, "_", " ")
	}
	return t
}
