// Package web is Tidemill on the web: the HTTP API (package api), the pages for people (package ui) and what guards both.
//
// [New] makes the handler, [Listen] the listener, which refuses anything but loopback as long as there are no users and
// roles, and [Serve] serves until a context ends, live connections included. The rooms:
//
//   - web/api: Airflow 3's public REST API, and in its style what Airflow has not
//   - web/ui: server-rendered pages, live by server-sent events, working without JavaScript as well
//   - web/layout: graphs as SVG, DOT, Mermaid and JSON; the command line uses it too
//   - web/live: polling, change detection and server-sent events, for both
//
// Guarding (guard.go): only requests to a loopback host name are answered (DNS rebinding), requests that change something
// are refused when they come from another site's page (CSRF), and pages get a content security policy without inline
// script or style.
package web
