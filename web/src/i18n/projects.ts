/** The messages about projects, in English: of what no link shows. */
import { learn } from "./t";

export const projects = {
  "settings.projects": "Projects",
  "projects.why": "Each project counts on its own: its events, people, keys and dashboards are seen from no other.",
  "projects.name": "Name",
  "projects.name.hint": "What people call it: at most 200 characters.",
  "projects.id": "Id",
  "projects.id.hint": "Programs name the project by it: letters a to z, digits and hyphens, at most 63. If left out, it is made from the name.",
  "projects.id.made": "From this name it is {id}.",
  "projects.id.none": "Nothing of this name can stand in an id, so give one.",
  "projects.zone": "Time zone",
  "projects.zone.hint": "Where its days begin and end, such as Europe/Berlin.",
  "projects.stays": "None of the three can be changed later.",
  "projects.role": "Your role",
  "projects.here": "You are here",
  "projects.enter": "Look around",
  "projects.new": "Make a project",
  "projects.ask": "An owner of this server can make more of them, and let you into others.",
  "projects.made": "{name} is there",
  "projects.keys": "A key of each kind, to send and to ask with. Copy them now: they are shown this once. More are made under Keys.",
  "projects.goto": "Set {name} up",
} as const;

learn(projects);
