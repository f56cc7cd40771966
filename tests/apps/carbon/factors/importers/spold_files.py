"""ecoSpold2 documents made by hand after the public schema; the names and figures are invented."""

GRAPHITE = """<?xml version="1.0" encoding="UTF-8"?>
<ecoSpold xmlns="http://www.EcoInvent.org/EcoSpold02">
 <childActivityDataset>
  <activityDescription>
   <activity id="a-graphite" activityNameId="n1" type="1" specialActivityType="0">
    <activityName xml:lang="de">Graphitherstellung</activityName>
    <activityName xml:lang="en">graphite making</activityName>
   </activity>
   <geography geographyId="g"><shortname xml:lang="en">CN</shortname></geography>
   <technology technologyLevel="3"/>
   <timePeriod startDate="2019-01-01" endDate="2023-12-31" isDataValidForEntirePeriod="true"/>
  </activityDescription>
  <flowData>
   <intermediateExchange id="x1" unitId="u" amount="1" intermediateExchangeId="f-graphite" mathematicalRelation="2/2">
    <name xml:lang="en">graphite</name><unitName xml:lang="en">kg</unitName>
    <property propertyId="p" amount="0.99"><name xml:lang="en">dry mass</name></property>
    <outputGroup>0</outputGroup>
   </intermediateExchange>
   <intermediateExchange id="x2" unitId="u" amount="0" intermediateExchangeId="f-dust">
    <name xml:lang="en">graphite dust</name><unitName xml:lang="en">kg</unitName><outputGroup>0</outputGroup>
   </intermediateExchange>
   <intermediateExchange id="x3" unitId="v" amount="4.125000000000000001" intermediateExchangeId="f-power"
     activityLinkId="a-power">
    <name xml:lang="en">electricity</name><unitName xml:lang="en">kWh</unitName>
    <uncertainty><lognormal meanValue="4.125" mu="1.417" variance="0.0006"
     varianceWithPedigreeUncertainty="0.0025"/></uncertainty>
    <inputGroup>5</inputGroup>
   </intermediateExchange>
   <elementaryExchange id="x4" unitId="u" amount="2.5E-7" elementaryExchangeId="e-co2" casNumber="000124-38-9">
    <name xml:lang="en">Carbon dioxide, fossil</name><unitName xml:lang="en">kg</unitName>
    <compartment subcompartmentId="s"><compartment xml:lang="en">air</compartment>
     <subcompartment xml:lang="en">unspecified</subcompartment></compartment>
    <outputGroup>4</outputGroup>
   </elementaryExchange>
  </flowData>
  <modellingAndValidation/>
  <administrativeInformation>
   <dataEntryBy personId="p" personName="A. Person" personEmail="a@example.com"/>
   <dataGeneratorAndPublication personName="A. Person" isCopyrightProtected="true" accessRestrictedTo="1"/>
   <fileAttributes majorRelease="3" minorRelease="12"/>
  </administrativeInformation>
 </childActivityDataset>
</ecoSpold>"""

POWER = """<?xml version="1.0" encoding="UTF-8"?>
<ecoSpold xmlns="http://www.EcoInvent.org/EcoSpold02"><activityDataset>
 <activityDescription><activity id="a-power"><activityName xml:lang="en">power making</activityName></activity>
 <geography geographyId="g"><shortname xml:lang="en">CN</shortname></geography><technology technologyLevel="3"/>
 <timePeriod startDate="2020-01-01" endDate="2021-12-31"/></activityDescription>
 <flowData>
  <intermediateExchange amount="1" intermediateExchangeId="f-power"><name xml:lang="en">electricity</name>
   <unitName xml:lang="en">kWh</unitName><outputGroup>0</outputGroup></intermediateExchange>
  <impactIndicator impactIndicatorId="i" amount="0.6">
   <impactMethodName xml:lang="en">EF v3.1</impactMethodName>
   <impactCategoryName xml:lang="en">climate change</impactCategoryName>
   <name xml:lang="en">global warming potential (GWP100)</name><unitName xml:lang="en">kg CO2-Eq</unitName>
  </impactIndicator>
 </flowData>
 <administrativeInformation><dataEntryBy personId="p" personName="A. Person" personEmail="a@example.com"/>
 <dataGeneratorAndPublication personName="A. Person" isCopyrightProtected="false" accessRestrictedTo="0"/>
 <fileAttributes majorRelease="3" minorRelease="12"/></administrativeInformation></activityDataset></ecoSpold>"""
