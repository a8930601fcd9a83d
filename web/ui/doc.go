// Package ui is the pages for people: rendered on the server, live by server-sent events, and whole without JavaScript.
//
// A page is a function from a request to a [page]: a title, a template and its data. The same function serves the page
// when it is opened and, as long as it is open, renders it again for /live, which sends it whenever it has changed; the
// script in assets/tidemill.js puts the differences into the document. So there is one rendering and no second model of
// the state in the browser. What only the clock changes (durations of what runs, "3 min ago") is ticked by the script.
//
// Pages are one file each: dags.go, dag.go (grid and graph), run.go, task.go, streams.go, backfills.go. What people do is
// a form that is posted (actions.go, trigger.go, backfill_form.go) and answered with a redirect.
package ui
