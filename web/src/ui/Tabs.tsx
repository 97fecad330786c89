/** Views of one thing, side by side. */
import type { ReactNode } from "react";
import { Tab, TabList, TabPanel, Tabs as AriaTabs } from "react-aria-components/Tabs";

export interface TabEntry {
  id: string;
  label: string;
  count?: number | string;
  content: ReactNode;
}

export function Tabs({ label, tabs, value, onChange }: { label: string; tabs: TabEntry[]; value?: string; onChange?: (id: string) => void }) {
  return (
    <AriaTabs className="tabs" selectedKey={value} onSelectionChange={(key) => onChange?.(String(key))}>
      <TabList className="tab-list" aria-label={label}>
        {tabs.map((one) => (
          <Tab key={one.id} id={one.id} className="tab">
            {one.label}
            {one.count !== undefined && <span className="tab-count num">{one.count}</span>}
          </Tab>
        ))}
      </TabList>
      {tabs.map((one) => (
        <TabPanel key={one.id} id={one.id} className="tab-panel">
          {one.content}
        </TabPanel>
      ))}
    </AriaTabs>
  );
}
