/** The range of the question that is being built, so that names and values are suggested of its time. */
import { createContext, useContext } from "react";
import { range } from "../query/ask";

export const BuilderRange = createContext("30d");

/** Return the range as a question has it. */
export function useBuilderRange(): unknown {
  return range(useContext(BuilderRange));
}
