package layout

import "github.com/tidemill/tidemill/engine"

// Signs are the shapes by which states are told apart without their colours: paths in a square of 16 by 16, to be stroked
// with 2 px and round ends; that of running is to be filled.
var Signs = map[engine.State]string{
	engine.None:            "M8 8h.01",
	engine.Scheduled:       "M8 4.6V8l2.4 1.8",
	engine.Queued:          "M4.4 8h.01M8 8h.01M11.6 8h.01",
	engine.Running:         "M6 4.2 12 8l-6 3.8z",
	engine.Success:         "M4.2 8.4 7 11.2l4.8-6",
	engine.Failed:          "M5 5l6 6M11 5l-6 6",
	engine.Skipped:         "M4.6 5l3 3-3 3M8.6 5l3 3-3 3",
	engine.UpstreamFailed:  "M8 11.8V4.6M5 7.4l3-3 3 3",
	engine.UpForReschedule: "M5 4h6M5 12h6M5.6 4c0 3 4.8 5 4.8 8M10.4 4c0 3-4.8 5-4.8 8",
	engine.Deferred:        "M6 5v6M10 5v6",
	engine.AwaitingInput:   "M5.7 6.1A2.3 2.3 0 1 1 9 8.1c-.8.4-1 .8-1 1.5M8 12.2h.01",
	engine.UpForRetry:      "M11.6 9.4A4 4 0 1 1 11.4 6M11.8 3.4v2.8H9",
	engine.Restarting:      "M4.4 6.6A4 4 0 1 1 4.6 10M4.2 12.6V9.8H7",
	engine.Removed:         "M4.6 8h6.8",
}

// Roles are the marks of tasks' roles: paths in a square of 16 by 16, to be stroked.
var Roles = map[Role]string{
	Setup:    "M4.5 11.5l7-7M6.5 4.5h5v5",
	Teardown: "M4.5 4.5l7 7M6.5 11.5h5v-5",
	Sensor:   "M2.5 8c3-4.5 8-4.5 11 0-3 4.5-8 4.5-11 0zM8 8h.01",
	Branch:   "M2.5 8h4l4-4h3M6.5 8l4 4h3",
	Question: "M5.7 6.1A2.3 2.3 0 1 1 9 8.1c-.8.4-1 .8-1 1.5M8 12.2h.01",
	Trigger:  "M3.5 3.5h9v9h-9zM7 6l3 2-3 2z",
}
