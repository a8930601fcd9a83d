// Package api is the HTTP API: Airflow 3's public REST API under /api/v2 for what both have, and in the same style what
// Airflow has not (streams, events).
//
// The yardstick is the official Python client: its calls work and its models accept what is answered. Resources are one
// file each: dags.go, dagruns.go, taskinstances.go, logs.go and so on; model_*.go hold what is answered, errors.go says what
// becomes of errors. The OpenAPI document is at /api/v2/openapi.json and readable at /api/v2/docs.
package api
