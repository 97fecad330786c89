import "./i18n/accounts";
import "./i18n/home";
import "./i18n/projects";
import "./i18n/setup";
import { App } from "./app";
import { start } from "./start";

start(<App />);
