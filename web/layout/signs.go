package layout

import "github.com/tidemill/tidemill/engine"

// Signs are the shapes by which states are told apart without their colours: paths in a square of 16 by 16, to be stroked
// with 2 px and round ends; that of running is to be filled.
var Signs = map[engine.State]string{
	engine.None:           "M8 8h.01",
	engine.Scheduled:      "M8 4.6V8l2.4 1.8",
	engine.Queued:         "M4.4 8h.01M8 8h.01M11.6 8h.01",
	engine.Running:        "M6 4.2 12 8l-6 3.8z",
	engine.Success:        "M4.2 8.4 7 11.2l4.8-6",
	engine.Failed:         "M5 5l6 6M11 5l-6 6",
	engine.Skipped:        "M4.6 5l3 3-3 3M8.6 5l3 3-3 3",
	engine.UpstreamFailed: "M8 11.8V4.6M5 7.4l3-3 3 3",
	engine.UpForRetry:     "M11.6 9.4A4 4 0 1 1 11.4 6M11.8 3.4v2.8H9",
	engine.Restarting:     "M4.4 6.6A4 4 0 1 1 4.6 10M4.2 12.6V9.8H7",
	engine.Removed:        "M4.6 8h6.8",
}
