// Package layout makes pictures of DAGs: as SVG, laid out here, and as DOT, Mermaid and JSON for other programs.
//
//	g := layout.Of(definition.Known())
//	err := layout.RenderSVG(w, g, layout.Options{Standalone: true})
//
// The layout is layered (after Sugiyama): nodes are put in columns so that edges go from left to right, ordered within
// each column so that few edges cross, and placed so that edges are short and nothing overlaps. Groups, and tasks that
// report nodes of their own such as dbt models, are boxes: what is in a box is laid out by itself first, and then the box
// is a node like any other. The steps are one file each: levels.go (boxes), layers.go, order.go, place.go, route.go.
//
// Everything here is a pure function of the definition; the same definition gives the same picture.
package layout
