package ui

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/api"
)

// eventsShown is how many of the newest updates the page of assets shows.
const eventsShown = 50

// assetsData is what the page of assets shows.
type assetsData struct {
	Assets []assetLine
	Events []assetEventLine
}

// An assetLine is an asset in the list.
type assetLine struct {
	api.AssetResponse
	Schedules []scheduledDAG
	Last      *assetEventLine
}

// A scheduledDAG is a DAG that an asset schedules.
type scheduledDAG struct {
	ID      string
	Pending bool // the asset was updated and the DAG waits for others
}

// An assetEventLine is an update, with the runs that it triggered.
type assetEventLine struct {
	engine.AssetEvent
	Extra string
	Runs  []engine.RunRow
}

func (s *server) assetsPage(ctx context.Context, _ *http.Request) (*page, error) {
	statuses, err := s.Store.DAGStatuses(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(statuses))
	for i, st := range statuses {
		ids[i] = st.ID
	}
	pending, err := s.Store.PendingAssets(ctx, ids)
	if err != nil {
		return nil, err
	}
	waits := map[[2]string]bool{}
	for _, e := range pending {
		waits[[2]string{e.Asset, e.For}] = true
	}
	var d assetsData
	for _, a := range api.AssetsOf(statuses) {
		l := assetLine{AssetResponse: a}
		for _, dag := range a.ScheduledDags {
			l.Schedules = append(l.Schedules, scheduledDAG{dag.DagID, waits[[2]string{a.Name, dag.DagID}]})
		}
		last, err := s.Store.AssetEvents(ctx, a.Name, 1)
		if err != nil {
			return nil, err
		}
		if len(last) > 0 {
			l.Last = &assetEventLine{AssetEvent: last[0]}
		}
		d.Assets = append(d.Assets, l)
	}
	events, err := s.Store.AssetEvents(ctx, "", eventsShown)
	if err != nil {
		return nil, err
	}
	if len(events) > 0 {
		runs, _, err := api.TriggeredBy(ctx, s.Store)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			d.Events = append(d.Events, assetEventLine{AssetEvent: e, Extra: onOneLine(pretty(e.Extra)), Runs: runs[e.ID]})
		}
	}
	return &page{Title: "Assets", Name: "assets", Nav: "assets", Data: d}, nil
}

// onOneLine is JSON without its line breaks.
func onOneLine(text string) string {
	var b bytes.Buffer
	if json.Compact(&b, []byte(text)) != nil {
		return text
	}
	return b.String()
}

// updateAsset says by hand that an asset was updated.
func (s *server) updateAsset(ctx context.Context, r *http.Request) error {
	var extra []byte
	if text := strings.TrimSpace(r.PostFormValue("extra")); text != "" {
		extra = []byte(text)
	}
	return s.Control.UpdateAsset(ctx, engine.Asset(r.PostFormValue("asset")), extra, by)
}
